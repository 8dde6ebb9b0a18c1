-- Why files were rejected, and one example of each reason.
SELECT reason, count(*) AS files, min(path) AS example, min_by(message, path) AS message
FROM quarantine
GROUP BY reason
ORDER BY files DESC, reason
