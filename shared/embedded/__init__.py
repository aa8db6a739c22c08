"""A real nats-server, a real Postgres and the services on one machine, from Python wheels."""
