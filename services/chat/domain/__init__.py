"""What may happen to bots, chats and the index. Pure: no clock, no ids, no I/O."""
