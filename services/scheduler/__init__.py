"""Scheduler: wakes what has to happen at a time.

Owns      aggregate `schedule`; read model `scheduler_schedules`
Emits     ScheduleSet, ScheduleCancelled, ScheduleFired
Reacts    SourceCreated, SourceUpdated, SourceDeleted → set or cancel the source's schedule;
          RetentionSet → look once a day at what is too old;
          ScheduleSet, ScheduleCancelled, ScheduleFired → set or cancel the broker's timer
Wakes     timer `schedule` → fire the schedule for its slot
Answers   GetSchedule
"""
