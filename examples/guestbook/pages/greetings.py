"""A welcome in some of the languages our guests speak: (language code, language, welcome)."""

GREETINGS = [
    ("ar", "العربية", "أهلًا وسهلًا"),
    ("cs", "Čeština", "Srdečně vítáme"),
    ("da", "Dansk", "Hjertelig velkommen"),
    ("de", "Deutsch", "Schöne Grüße und herzlich willkommen"),
    ("el", "Ελληνικά", "Καλώς ορίσατε"),
    ("en", "English", "A warm welcome"),
    ("es", "Español", "¡Bienvenidos!"),
    ("fr", "Français", "Soyez les bienvenus, chères et chers hôtes"),
    ("he", "עברית", "ברוכים הבאים"),
    ("hi", "हिन्दी", "आपका स्वागत है"),
    ("ja", "日本語", "ようこそ"),
    ("ko", "한국어", "환영합니다"),
    ("pl", "Polski", "Serdecznie witamy, także w Łodzi"),
    ("tr", "Türkçe", "Hoş geldiniz"),
    ("uk", "Українська", "Ласкаво просимо"),
    ("vi", "Tiếng Việt", "Chào mừng quý khách"),
    ("zh", "中文", "欢迎光临 🎉"),
]
