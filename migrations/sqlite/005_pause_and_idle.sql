-- Sandboxes that stand still, and those that end when nothing happens in them.
ALTER TABLE sandbox_instances ADD COLUMN paused_at INTEGER;
ALTER TABLE sandbox_instances ADD COLUMN idle_timeout_seconds INTEGER NOT NULL DEFAULT 0
  CHECK (idle_timeout_seconds >= 0);
ALTER TABLE sandbox_instances ADD COLUMN last_active_at INTEGER;
