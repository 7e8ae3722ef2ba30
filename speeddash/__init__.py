"""SpeedDash: a live speed dashboard whose echo is the receipt of a durable commit."""
