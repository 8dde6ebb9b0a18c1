-- The nearest images of an event: of the image taken nearest to a time.
SELECT p.query_id, q.obs_time AS query_time, p.rank, o.obs_time, round(p.similarity, 4) AS similarity
FROM (SELECT image_id, obs_time FROM current_observations WHERE retired_run IS NULL AND obs_time IS NOT NULL
      ORDER BY abs(unix_timestamp(obs_time) - unix_timestamp(TIMESTAMP '2011-01-01 12:00:00')), image_id LIMIT 1) q
JOIN current_neighbour_pairs p ON p.query_id = q.image_id AND p.rank <= 10
JOIN current_observations o ON o.image_id = p.neighbour_id
ORDER BY p.rank
