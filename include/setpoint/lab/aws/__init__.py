"""Auto Scaling and CloudWatch as AWS documents them, as subclasses of moto's backends and responses."""
