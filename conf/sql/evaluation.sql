-- The newest evaluation: every method's metrics with their intervals, the published value beside them.
SELECT evaluation, parameters, metric, method, round(value, 4) AS value, round(low, 4) AS low, round(high, 4) AS high, n,
       published, simulated
FROM current_evaluation_summary
WHERE run_id = (SELECT max(run_id) FROM current_evaluation_summary) AND method NOT LIKE 'hash - %'
ORDER BY evaluation, parameters, metric, value DESC
