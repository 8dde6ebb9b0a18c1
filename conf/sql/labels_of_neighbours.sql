-- How often the ten nearest carry the query's own label, for each label.
SELECT q.label, count(DISTINCT p.query_id) AS images, round(avg(CASE WHEN o.label = q.label THEN 1 ELSE 0 END), 4) AS same
FROM current_neighbour_pairs p
JOIN current_observations q ON q.image_id = p.query_id
JOIN current_observations o ON o.image_id = p.neighbour_id
WHERE p.rank <= 10 AND q.label IS NOT NULL
GROUP BY q.label
ORDER BY q.label
