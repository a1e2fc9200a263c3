"""The demo: a storefront's traffic spike, from the alarm to the verdict, in a real Airflow against the practice AWS."""
