package queue

// DueJobs is the query by which jobs are found.
var DueJobs = due
