-- How similarity falls with rank, over all images.
SELECT rank, count(*) AS lists, round(avg(similarity), 4) AS mean, round(percentile(similarity, 0.05), 4) AS low,
       round(percentile(similarity, 0.95), 4) AS high
FROM current_neighbour_pairs
WHERE rank IN (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
GROUP BY rank
ORDER BY rank
