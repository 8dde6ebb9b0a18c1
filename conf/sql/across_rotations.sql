-- Neighbours one solar rotation apart (27.27 days, a day either way): regions that have returned to the same position on the disk.
SELECT p.query_id, q.obs_time AS query_time, p.rank, o.obs_time, round(p.similarity, 4) AS similarity
FROM current_neighbour_pairs p
JOIN current_observations q ON q.image_id = p.query_id
JOIN current_observations o ON o.image_id = p.neighbour_id
WHERE abs(abs(unix_timestamp(o.obs_time) - unix_timestamp(q.obs_time)) / 86400.0 - 27.27) < 1
ORDER BY p.similarity DESC, p.query_id, p.rank
