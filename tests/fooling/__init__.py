"""Programs that read whatever a migration could read, and what may happen to a project between two builds."""
