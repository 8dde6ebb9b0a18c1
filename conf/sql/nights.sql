-- What each night brought: files seen, new images, rejected ones, seconds.
SELECT date_trunc('DAY', started) AS night, job, count(*) AS runs, sum(rows_in) AS rows_in, sum(rows_out) AS rows_out,
       round(sum(seconds), 1) AS seconds
FROM runs WHERE status = 'done'
GROUP BY night, job
ORDER BY night DESC, job
