"""Statistics over seeds and problems. Works on result files only, and does not depend on how policies are trained."""
