"""An invented Urgent Action in the form of the published ones, with their habits and their mistakes."""

ENGLISH = """\
URGENT ACTION

TEACHER HELD WITHOUT CHARGE IN EXAMPLIA

A teacher was taken from her school and has not been seen since.

TAKE ACTION: WRITE AN APPEAL IN YOUR OWN WORDS OR USE THIS MODEL LETTER

Minister of Justice
Mr Ano Nymous
Ministry of Justice
12 Example Road, Beijing Shi 100020
People's Republic of China
Fax: +86 (10) 6238-0000
Email: minister@justice.example In
Chinese:
北京市朝阳区示例路12号 100020

Dear Minister Nymous:

I am worried about the teacher who was taken from her school in the spring, and about whom nothing is known.

In the report "The Empty Desk" it is shown that she is not the only one, and that families wait for news of them.

I therefore urge you to:

- ***Say where she is, and let her family and a lawyer of her choice visit her.***
- ***Release her, unless there is evidence of an internationally recognised offence.***

Third UA: 007/24 Index: ASA 17/1234/2024 China

Date: 3 March 2024

Yours sincerely,

ADDITIONAL INFORMATION

She taught for eleven years, and that is all that the authorities have ever said about her in public.

PREFERED LANGUAGE TO ADDRESS TARGET: Chinese, English

You can also write in your own language.

PLEASE TAKE ACTION AS SOON AS POSSIBLE UNTIL: 30 April 2024

Please check with the Amnesty office in your country if you wish to send appeals after the deadline.

NAME AND PREFFERED PRONOUN: Ana Example (she/her)

LINK TO PREVIOUS UA: <https://www.example.org/en/documents/ASA17/0001/2023/en/>

Additional TARGETS

• Bea Example, head of the school office, and
• Cai Example, governor of the province.

Their postal address in Chinese:
北京市朝阳区830041示例街3号

Their postal address in English:
3 Example Street, Chaoyang Qu, Beijing,
100021,
People's Republic of China

Mr Dan Example
Embassy of the People's Republic of China
1 Example Place W1B 1AA
"""

CHINESE = """\
URGENT ACTION

老師在沒有起訴下遭到關押

立即行動：以你的文字寫一封信，也可以抄寫下列範本

司法部長 阿諾

100020 北京市朝陽區

示例路 12 號

中華人民共和國

傳真：+86 10 6238 0000

電子信箱：minister@justice.example

致司法部長阿諾：

一位老師在春天從學校被帶走，從此下落不明，我為她感到擔心，也為她的家人感到難過。

我在此敦促您：

說明她在哪裡，讓家人和她自己選任的律師前去會見。

釋放她，除非有證據顯示她犯下國際公認的罪行。

敬此

ADDITIONAL INFORMATION 背景資訊

她教了十一年書，這是當局公開說過的一切，家人至今仍然沒有任何消息，也沒有人告訴他們原因。

在 2024 年 4 月 30 日前寄到上述地址
"""
