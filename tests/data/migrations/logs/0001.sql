-- A log with a cut, as a server of schema 1 wrote it.
INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms)
VALUES ('dep_loz4ae00aaaaaaaaaaaa', 30, 3, 20, 10, 20, 1, 1700000000000);

INSERT INTO log_pieces (deployment_id, at_byte, at_line, step, at_ms, text)
VALUES ('dep_loz4ae00aaaaaaaaaaaa', 0, 0, 'clone', 1700000000000, '123456789' || char(10)),
       ('dep_loz4ae00aaaaaaaaaaaa', 20, 2, 'deploy', 1700000000000, 'abcdefghi' || char(10));
INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms, mark)
VALUES ('dep_loz4ae00eeeeeeeeeeee', 0, 0, 0, 0, 0, 0, 1700000000000, 'a mark');
