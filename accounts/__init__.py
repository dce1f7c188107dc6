"""Users, authentication, permissions and the audit log."""
