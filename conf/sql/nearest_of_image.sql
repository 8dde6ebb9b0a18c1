-- The ten nearest images of one image, with their times and files. Change the number.
SELECT p.rank, p.neighbour_id, o.obs_time, round(p.similarity, 4) AS similarity, o.path
FROM current_neighbour_pairs p JOIN current_observations o ON o.image_id = p.neighbour_id
WHERE p.query_id = 1 AND p.rank <= 10
ORDER BY p.rank
