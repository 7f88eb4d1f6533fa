"""Whether an answer in mathematical notation equals the accepted one."""
