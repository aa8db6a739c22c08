"""The whole product on one machine: a broker, a database and the services, under one roof."""
