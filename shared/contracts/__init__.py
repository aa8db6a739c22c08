"""Every message that crosses a process, one module per owning service."""
