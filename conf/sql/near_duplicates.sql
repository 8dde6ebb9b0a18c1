-- Near-duplicates: pairs of almost equal codes from different files.
SELECT p.query_id, p.neighbour_id, p.similarity, q.path AS path, o.path AS other_path
FROM current_neighbour_pairs p
JOIN current_observations q ON q.image_id = p.query_id
JOIN current_observations o ON o.image_id = p.neighbour_id
WHERE p.query_id < p.neighbour_id AND p.similarity > 0.9999 AND q.checksum <> o.checksum
ORDER BY p.similarity DESC, p.query_id, p.neighbour_id
