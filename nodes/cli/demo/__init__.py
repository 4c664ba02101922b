"""The main job, told as a story: five regions that record, replicate and prove every act."""
