"""The pages of batches in Airflow's API server, for whoever may see the policy's Dag."""
