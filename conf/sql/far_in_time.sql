-- The most similar pairs that lie more than a year apart.
SELECT p.query_id, q.obs_time AS query_time, p.neighbour_id, o.obs_time, round(p.similarity, 4) AS similarity
FROM current_neighbour_pairs p
JOIN current_observations q ON q.image_id = p.query_id
JOIN current_observations o ON o.image_id = p.neighbour_id
WHERE q.obs_time < o.obs_time - INTERVAL 365 DAYS
ORDER BY p.similarity DESC, p.query_id, p.neighbour_id
