"""What every service stands on: contracts, kernel, adapters, runtime."""
