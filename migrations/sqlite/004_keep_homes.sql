-- What has become of each home.
ALTER TABLE sandbox_instances ADD COLUMN storage_state TEXT NOT NULL DEFAULT 'none'
  CHECK (storage_state IN ('none', 'active', 'pending', 'saved'));
ALTER TABLE sandbox_instances ADD COLUMN storage_detail TEXT NOT NULL DEFAULT '';

CREATE INDEX sandbox_instances_unsaved ON sandbox_instances (user_id)
  WHERE storage_state IN ('active', 'pending');
