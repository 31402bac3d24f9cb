import unittest

from manyeyes.core.huffman import HUFFMAN_TABLES


class TestHuffman(unittest.TestCase):
    def test_one_segment_with_four_tables(self):
        self.assertEqual(HUFFMAN_TABLES[:2], b"\xff\xc4")
        self.assertEqual((HUFFMAN_TABLES[2] << 8 | HUFFMAN_TABLES[3]) + 2, len(HUFFMAN_TABLES))
        tables = []
        pos = 4
        while pos < len(HUFFMAN_TABLES):
            counts = HUFFMAN_TABLES[pos + 1 : pos + 17]
            tables.append((HUFFMAN_TABLES[pos], sum(counts)))
            room = 1 << 16
            for length, count in enumerate(counts):
                room -= count << (15 - length)
            self.assertTrue(room > 0)  # the codes of a table fit, and all ones is none of them (C.2)
            values = HUFFMAN_TABLES[pos + 17 : pos + 17 + sum(counts)]
            self.assertEqual(len(set(values)), len(values))
            pos += 17 + sum(counts)
        self.assertEqual(tables, [(0x00, 12), (0x10, 162), (0x01, 12), (0x11, 162)])
        self.assertEqual(pos, len(HUFFMAN_TABLES))
