-- Images that were retired or whose file is gone, by the run that noticed.
SELECT coalesce(retired_run, vanished_run) AS run_id, count(retired_run) AS retired,
       count(*) - count(retired_run) AS gone_and_kept
FROM observations
WHERE retired_run IS NOT NULL OR vanished_run IS NOT NULL
GROUP BY coalesce(retired_run, vanished_run)
ORDER BY run_id DESC
