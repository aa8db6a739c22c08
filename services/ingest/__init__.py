"""Ingest: turns a tenant's sources into chunks that can be searched.

Owns      aggregate `source`; read model `ingest_sources`
Takes     CreateSource, CreateSourceBatch, UpdateSource, DeleteSource, RequestIngestion,
          RequestChildrenIngestion, UndoSource
Emits     SourceCreated, SourceUpdated, SourceDeleted, IngestionRequested,
          ChildrenIngestionRequested, IngestionStarted, SourceFetched, SourcePrepared,
          SourceUnchanged, SourceIngested, SourceFailed, SourceExtracted, SourceChunked,
          SourceEmbedded, SourceUndone
Reacts    IngestionRequested → queue the job; IndexBuilt, IndexFailed → end the run;
          ChildrenIngestionRequested → request each child's; SourceCreated, SourceDeleted → delete
          children that a deleted parent left behind; SourceUndone → undo the deletion of children;
          ScheduleFired → request an ingestion
Projects  ScheduleSet, ScheduleFired, ScheduleCancelled
Works     job `ingest`: fetch, extract, chunk, embed; or count what a remote API knows
Answers   GetSource, ListSources, CountChildren, GetTimeline, GetRevisions, GetDocuments, GetChunks,
          GetDifference
"""
