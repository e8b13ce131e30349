"""Running a student's code: always in a child, with a time limit. Nothing here prints."""
