-- Pairs that are among each other's five nearest.
SELECT a.query_id, a.neighbour_id, a.rank AS rank_there, b.rank AS rank_back, round(a.similarity, 4) AS similarity
FROM current_neighbour_pairs a
JOIN current_neighbour_pairs b ON b.query_id = a.neighbour_id AND b.neighbour_id = a.query_id
WHERE a.query_id < a.neighbour_id AND a.rank <= 5 AND b.rank <= 5
ORDER BY a.similarity DESC, a.query_id, a.neighbour_id
