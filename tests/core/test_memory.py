import subprocess
import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_stays_in_the_process():
    code = """
import resource, numpy as np
from robolearn.core.memory import keep_freed_memory
assert keep_freed_memory()
np.ones(8_000_000).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(8_000_000).sum()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5_000


def test_what_is_there_is_no_longer_gone_through_and_what_comes_is_still_collected():
    code = """
import gc, weakref
from robolearn.core.memory import spare_what_stays
kept = [[] for _ in range(100_000)]
spare_what_stays()
assert len(gc.get_objects()) < 1_000 < gc.get_freeze_count()
class Loop: pass
loop = Loop(); loop.self = loop; seen = weakref.ref(loop)
del loop
gc.collect()
assert seen() is None
"""
    subprocess.run([sys.executable, "-c", code], check=True)
