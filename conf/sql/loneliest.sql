-- Images whose nearest neighbour is the least similar: the outliers.
SELECT p.query_id, o.obs_time, round(p.similarity, 4) AS nearest, o.path
FROM current_neighbour_pairs p JOIN current_observations o ON o.image_id = p.query_id
WHERE p.rank = 1
ORDER BY p.similarity, p.query_id
