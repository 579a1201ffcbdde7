"""The SQL history of every job that has ended: one row a job, whatever became of it since."""
