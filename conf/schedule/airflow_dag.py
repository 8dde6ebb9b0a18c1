"""Airflow: a rebuild every night, upkeep after the one of Sunday. For Airflow 3; put it into the folder of DAGs."""

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

CONFIG = "/etc/skyhash/solar_hmi.yaml"

with DAG(
    "skyhash",
    schedule="10 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017  Airflow may run an older Python
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
):
    rebuild = BashOperator(
        task_id="rebuild",
        bash_command=f"skyhash rebuild --config {CONFIG} --wait 3600 --json",
        skip_on_exit_code=3,  # another job is still writing: not this night
    )
    maintain = BashOperator(
        task_id="maintain",
        bash_command='if [ "{{ logical_date.weekday() }}" = 6 ]; then'
        f" skyhash maintain --config {CONFIG} --wait 3600; fi",
    )
    rebuild >> maintain
