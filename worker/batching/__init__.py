"""Which waiting messages the device scores next. Pure: time is an argument, nothing waits."""
