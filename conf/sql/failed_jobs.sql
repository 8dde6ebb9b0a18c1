-- Jobs that failed or never ended (killed), newest first.
SELECT started, job, host, coalesce(error, 'never ended') AS error, run_id
FROM (SELECT *, max(CASE WHEN status = 'done' THEN 1 ELSE 0 END) OVER (PARTITION BY run_id) AS was_done,
             row_number() OVER (PARTITION BY run_id ORDER BY CASE WHEN status = 'started' THEN 1 ELSE 0 END) AS turn
      FROM runs)
WHERE was_done = 0 AND turn = 1
ORDER BY started DESC
