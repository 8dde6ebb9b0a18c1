-- Hubs: images that are among the ten nearest of the most other images.
SELECT neighbour_id AS image_id, count(*) AS listed_by, round(avg(rank), 1) AS mean_rank
FROM current_neighbour_pairs WHERE rank <= 10
GROUP BY neighbour_id
ORDER BY listed_by DESC, image_id
