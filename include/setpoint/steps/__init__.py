"""The steps of a run, one file each, free of Airflow: operators, command line and reconciliation share them."""
