"""Ingest: turns a tenant's sources into chunks that can be searched.

Owns      aggregates `source`, `crawl`, `shadow`, `shadow_part`; read model `ingest_sources`
Takes     CreateSource, CreateSourceBatch, UpdateSource, DeleteSource, RequestIngestion,
          RequestChildrenIngestion, UndoSource, PauseCrawl, ResumeCrawl, CancelCrawl
Emits     SourceCreated, SourceUpdated, SourceDeleted, IngestionRequested,
          ChildrenIngestionRequested, IngestionStarted, SourceFetched, SourcePrepared,
          SourceUnchanged, SourceIngested, SourceFailed, SourceExtracted, SourceChunked,
          SourceEmbedded, SourceWaiting, SourceUndone; CrawlBegun, CrawlSiteRead, CrawlPagesFound,
          CrawlPageVisited, CrawlPaused, CrawlResumed, CrawlCancelled, CrawlPagesRetired,
          CrawlFinished; ShadowChunked, ShadowEmbedded, ShadowPrepared, ShadowFailed; PartPrepared,
          PartFailed
Reacts    IngestionRequested → queue the job; IndexBuilt, IndexFailed → end the run;
          ChildrenIngestionRequested → request each child's; SourceCreated, SourceDeleted → delete
          children that a deleted parent left behind; SourceUndone → undo the deletion of children;
          SourceUpdated → change the pages of a website alike;
          ScheduleFired → request an ingestion; CrawlBegun, CrawlResumed → set the timer of the
          crawl; CrawlFinished, CrawlCancelled → end the run; ReindexStarted → queue a job
          per source of the bot; RunStarted → the same, if the run has indexes of its own;
          SourceIngested → one for what came meanwhile
Projects  ScheduleSet, ScheduleFired, ScheduleCancelled; BotProfileCreated, BotProfileUpdated,
          ReindexStarted, ReindexCancelled, ReindexFailed, IndexSwitched; RunStarted, RunEnded,
          RunCancelled
Works     job `ingest`: fetch, extract, chunk, embed; or count what a remote API knows; or begin a
          crawl; job `reindex`: chunk and embed stored text for another generation; job
          `shadow_index`: the same for the indexes of a run
Wakes     timer `crawl` → visit the next pages of a website; timer `ingestion` → queue the job of
          a run again that waited for a provider; timers `reindex`, `shadow_index` → the same for
          a re-index, and for the indexes of a run
Answers   AskAdmission, GetSource, ListSources, CountChildren, CountSources, GetTimeline,
          GetRevisions, GetDocuments, GetChunks, GetDifference, GetCrawl, ListCrawledPages,
          PreviewWebsite, EstimateReindex
"""
