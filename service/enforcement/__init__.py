"""Ending blocked calls: the ladder of hang-up attempts and the durable jobs that climb it."""
