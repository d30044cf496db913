"""Words read back from pages where the reader moves marks about."""

from uamail.printing import readback


def test_thai_mark_at_the_line_end_is_accepted() -> None:
    page = "1. สวัสดี\r\nชยวัฒน์ แก้วใส ั\r\n泰國"

    assert readback.absent(["ชัยวัฒน์ แก้วใส"], page) == ()


def test_another_thai_name_is_still_found_out() -> None:
    page = "ชยวัฒน์ แก้วใส ั"

    assert readback.absent(["สมหญิง ใจดี"], page) == ("สมหญิง ใจดี",)
