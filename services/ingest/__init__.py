"""Ingest: turns a tenant's sources into chunks that can be searched.

Owns      aggregate `source`; read model `ingest_sources`
Takes     CreateSource, UpdateSource, DeleteSource, RequestIngestion
Emits     SourceCreated, SourceUpdated, SourceDeleted, IngestionRequested, IngestionStarted,
          SourceFetched, SourcePrepared, SourceUnchanged, SourceIngested, SourceFailed
Reacts    IngestionRequested → queue the job; IndexBuilt, IndexFailed → end the run
Works     job `ingest`: fetch, extract, chunk, embed
Answers   GetSource, ListSources, GetTimeline
"""
