-- Results of an experiment: every method of every run, the hash's size and training time (skyhash experiment NAME)
SELECT experiment, run, method, round(value, 4) AS map, round(low, 4) AS low, round(high, 4) AS high, n, published,
       CASE WHEN method = 'hash' THEN round(size_mb, 2) END AS size_mb
FROM experiments
WHERE evaluation = 'labels' AND metric = 'map' AND parameters = '{"k": "all"}' AND method NOT LIKE '% - %'
ORDER BY experiment, run, value DESC
