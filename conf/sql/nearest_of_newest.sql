-- The five nearest images of the newest one.
SELECT p.query_id, q.obs_time AS query_time, p.rank, o.obs_time, round(p.similarity, 4) AS similarity
FROM (SELECT image_id, obs_time FROM current_observations WHERE retired_run IS NULL
      ORDER BY obs_time DESC NULLS LAST, image_id DESC LIMIT 1) q
JOIN current_neighbour_pairs p ON p.query_id = q.image_id AND p.rank <= 5
JOIN current_observations o ON o.image_id = p.neighbour_id
ORDER BY p.rank
