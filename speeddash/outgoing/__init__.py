"""What SpeedDash gives to other programs: the speeds of its sources, as they come."""
