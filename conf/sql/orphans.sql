-- Orphans: live images that are in nobody's ten nearest. Often unusual, or broken in a way that no header tells.
SELECT o.image_id, o.obs_time, o.path
FROM current_observations o
LEFT ANTI JOIN (SELECT DISTINCT neighbour_id FROM current_neighbour_pairs WHERE rank <= 10) l
  ON l.neighbour_id = o.image_id
WHERE o.retired_run IS NULL
ORDER BY o.image_id
