"""Own words for rehearsals: paragraphs a supporter might write, in their language, for any action."""

OWN_WORDS = {
    "en": (
        "I am writing because I read about people who were taken from their families and not heard from since.",
        "I teach in a primary school. Every morning I count the children, and I cannot imagine a morning on which one"
        " is missing and nobody will say why.",
        "Please tell the families where their relatives are held, let them speak to a lawyer of their own choice, and"
        " release everyone who has done no more than pray, write or travel.",
        "A country gains respect when it lets independent observers in.\nNothing is lost by opening a door.",
        'My neighbour asked me: "Does a letter change anything?" I answered that silence certainly does not.',
    ),
    "de": (
        "Ich schreibe Ihnen, weil mich das Schicksal der Verschwundenen nicht loslässt.",
        "Als Pflegerin weiß ich, was Ungewissheit mit Angehörigen macht: Sie zehrt mehr als jede schlechte Nachricht.",
        "Geben Sie bitte bekannt, wo die Festgehaltenen sind, und lassen Sie alle frei, gegen die nichts vorliegt.",
        "Größe zeigt, wer prüfen lässt.\nÖffnen Sie die Türen für unabhängige Beobachterinnen und Beobachter.",
    ),
    "fr": (
        "Je vous écris parce que je ne peux pas oublier ces familles qui attendent un simple coup de téléphone.",
        "Mon grand-père a été interné sans jugement\u202f; il n’en a jamais parlé, mais nous en portons tous la trace.",
        "Je vous demande de dire où sont ces personnes, de les laisser voir un avocat et de libérer celles à qui l’on"
        " ne reproche que leur foi ou leur langue.",
        "Laisser entrer des observateurs indépendants serait un geste de force, non de faiblesse.",
    ),
    "es": (
        "Le escribo porque hace meses que sigo la suerte de personas detenidas de las que no se sabe nada.",
        "En mi pueblo también hubo quien esperó años una noticia. ¿Cuánto más deben esperar estas familias?",
        "Le pido que informe de su paradero, que puedan hablar con un abogado y que queden en libertad quienes no han"
        " cometido delito alguno.",
        "Abrir las puertas a una investigación independiente honraría a su país.",
    ),
    "zh-Hant": (
        "我寫這封信，是因為許多家庭至今不知道親人身在何處。",
        "我是一名圖書館員，每天看著孩子們自由地選書；我希望每個孩子都能用自己的語言讀書，在父母身邊長大。",
        "懇請公布被關押者的下落，讓他們會見自己選擇的律師，並釋放所有沒有犯罪的人。",
        "讓獨立的觀察員進入當地，是尊重事實的第一步。",
    ),
    "zh-Hans": (
        "我写这封信，是因为我的朋友已经很久没有收到家人的消息。",
        "请告诉家属他们的亲人在哪里，允许他们会见律师。",
        "只因信仰或语言而被关押的人，应当立刻回家。",
    ),
    "ja": (
        "ご家族と連絡が取れない方々のことを知り、筆を執りました。",
        "どうか拘束されている方々の所在を明らかにし、弁護士との面会を認めてください。",
        "独立した調査を受け入れることは、貴国への信頼につながると信じています。",
    ),
}
