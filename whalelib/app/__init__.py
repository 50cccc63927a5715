"""The page: a recording in, detections to see, hear and mend, annotations out. `whalelib app MODEL` serves it.

`page` says what stands where and what answers to what, and `serving` serves it; they alone know gradio. Beside them,
each testable by itself: `limits` (what may be handed in), `opening` (who listens), `listening` (detectors and
transcribers alike), `hearing` (a visit: scores, and what they become under the knobs), `knobs` (sliders), `corrections`
(what a listener says, and where training reads it), `sound` (stretches to play), `drawing` (the picture), `words`
(HTML), `downloads`, and `examples`.
"""
