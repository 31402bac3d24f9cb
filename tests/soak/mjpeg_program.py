"""A camera's program: writes the JPEG that it is given to stdout, again and again: mjpeg_program.py FILE FPS."""

import sys
import time

with open(sys.argv[1], "rb") as file:
    picture = file.read()
while True:
    sys.stdout.buffer.write(picture)
    sys.stdout.buffer.flush()
    time.sleep(1 / float(sys.argv[2]))
