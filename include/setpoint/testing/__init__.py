"""What tests of Setpoint and of its extensions import."""
