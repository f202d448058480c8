"""Other names for training labels, so that the label tower learns meanings rather than the labels' spellings."""

from functools import cache

_TABLE = """
clickbait headline: clickbait | sensational headline | attention-grabbing bait | teaser headline
news headline: serious news | factual headline | newspaper headline | news report
ableist: ableism | insults about disability | mocking disabled people
abusive: abuse | verbal abuse | insulting or abusive language
homophobic: homophobia | anti-gay insult | hostile to gay people
insult to intelligence: calling someone stupid | insulting intelligence | belittling
not abusive: harmless | polite or ordinary conversation | no abuse
racist: racism | racial insult | hostile to an ethnic group
sexist: sexism | misogyny | demeaning to women
sexual harassment: sexual advances | unwanted sexual remarks | obscene proposition
hate speech: hatred against a group | hateful content | attacking a protected group
offensive language: vulgar language | swearing | rude words | profanity
neither: harmless | nothing offensive | clean language
not sexist: no sexism | respectful towards women | unrelated to sexism
hateful: hate speech | hatred | hateful content | attack on a group
not hateful: no hate | harmless | not hate speech | acceptable
toxic: toxicity | toxic comment | rude and hostile | harmful comment
not toxic: civil | harmless comment | friendly or neutral comment | no toxicity
aggressive and emotive attacks: angry insults against women | aggressive attack
backhanded gendered compliments: patronising compliment to women | dubious compliment
casual use of gendered slurs, profanities, and insults: casual gendered slur | gendered profanity
condescending explanations or unwelcome advice: mansplaining | condescending advice
dehumanising attacks & overt sexual objectification: sexual objectification | treating women as objects
descriptive attacks: negative generalisation about women | disparaging description of women
immutable gender differences and gender stereotypes: gender stereotype | belief that men and women differ by nature
incitement and encouragement of harm: encouraging harm to women | incitement to violence
supporting mistreatment of individual women: defending mistreatment of a woman
supporting systemic discrimination against women as a group: supporting discrimination against women
threats of harm: threat | threatening violence
cancel order: order cancellation | stop my order | call off a purchase
change order: modify an order | edit purchase | swap items in an order
change shipping address: update delivery address | different address for shipping
check cancellation fee: cancellation charge | penalty for cancelling
check invoice: look at a bill | see invoice
check payment methods: accepted payment options | ways to pay
check refund policy: money back policy | refund rules | reimbursement conditions
complaint: complaining | dissatisfied customer | grievance
contact customer service: reach support | customer service hours or contact
contact human agent: speak to a person | talk to a live agent
create account: open an account | sign up | register
delete account: close account | remove my profile | terminate account
delivery options: shipping methods | ways of delivery
delivery period: delivery time | how long shipping takes | when it will arrive
edit account: update profile | change account details
get invoice: download bill | receive an invoice
get refund: ask for money back | reimbursement request | refund request
newsletter subscription: mailing list | subscribe or unsubscribe
payment issue: problem paying | payment failed | billing error
place order: buy something | make a purchase | order a product
recover password: forgotten password | reset password | lost login
registration problems: cannot sign up | error creating an account
review: leave feedback | rate a product | customer review
set up shipping address: add a delivery address
switch account: use another account | change user
track order: where is my order | order status | follow a shipment
track refund: status of refund | where is my money
HR support: human resources | personnel questions
access: login and permissions | account access | entry rights
administrative rights: admin permissions | administrator privileges
hardware: computer equipment | broken device | laptop, printer or phone
internal project: project codes | company project set-up
miscellaneous: other | various | something else
purchase: buying | procurement | order of goods
storage: disk space | mailbox full | file storage
business studies: business | management | commerce
economics: economy | economic research | markets and growth
geography: geographic research | places and land
medical science: medicine | health research | clinical study
political science: politics | government | public policy
psychology: mind and behaviour | mental processes
sociology: society | social research
background information: background | context from earlier work | introduction of the topic
comparison of results: comparing findings | agreement with earlier results
use of a method: method | technique used | methodology
add to playlist: put a song on a playlist | playlist update
book restaurant: reserve a table | restaurant reservation | dining booking
get weather: weather | weather forecast | temperature and rain
play music: listen to music | play a song
rate book: give a book a rating | book review
search creative work: find a book, film or song | look for a title
search screening event: cinema times | movie showtimes
admiration: admiring | praise | respect | impressed
amusement: amused | funny | laughing | humour
anger: angry | rage | furious | mad
annoyance: annoyed | irritated | bothered
approval: approving | agreement | support
caring: compassion | concern for others | kindness
confusion: confused | puzzled | does not understand
curiosity: curious | wondering | asking out of interest
desire: wish | longing | wanting something
disappointment: disappointed | let down | unsatisfied
disapproval: disapproving | criticism | disagreement
disgust: disgusted | revulsion | gross
embarrassment: embarrassed | ashamed | awkward
excitement: excited | thrilled | enthusiastic
fear: afraid | scared | frightened | terror
gratitude: thankful | grateful | thanks | appreciation
grief: mourning | bereaved | sorrow over a loss
joy: happy | happiness | joyful | delighted
love: loving | affection | adoration
nervousness: nervous | anxious | worried
optimism: optimistic | hopeful | hope
pride: proud | proud of an achievement
realization: realising something | sudden insight
relief: relieved | reassured
remorse: guilt | regret | sorry
sadness: sad | unhappy | sorrow | depressed
surprise: surprised | astonished | shock
neutral: no emotion | matter-of-fact | indifferent | neither
account balance deducted: money taken from the account
account not verified: verification of account pending
account reset: reset my account
appreciation: praise | compliment
bank verification details: verify bank account
cannot see joined contests: joined contest is missing
capabilities: what can you do | bot abilities
cash bonus: bonus money
cash bonus expiry: when bonus expires
change bank account: update bank details
change mobile number: new phone number
change profile team details: edit team name or profile
chat with an agent: talk to a human | live support
check deposit status: has my deposit arrived
check wallet balance: wallet amount | money in wallet
contact number: phone number of support | helpline
criticism: negative feedback | complaint about the service
deducted amount not received: money deducted but not credited
delete pan card: remove tax card
download powerplay11: install the app
fairplay violations: cheating | unfair play
fake teams: fake accounts | fraud teams
feedback: suggestions | opinion about the product
greetings day: greeting | saying good morning
how points calculated: points system | scoring rules
how to play: rules of the game | instructions
instant withdrawal: immediate payout
join contest: enter a contest
less winnings amount: winnings too small
match abandoned: match cancelled
new team pattern: change in team rules
no email confirmation: confirmation mail is missing
offers and referrals: promotions | refer a friend
pan verification failed: tax card verification failed
points not updated: points are missing | score not refreshed
presence: where the service is available
refund of added cash: money back for deposit
refund of wrong amount: wrong amount refunded
signup bonus: welcome bonus
taxes on winnings: tax on prizes
team deadline: last time to make a team
thanks: thank you | gratitude
types bonus: kinds of bonus
types contests: kinds of contest
unutilized money: unused money
update app: app update | new version
verify email: email verification
verify mobile: phone verification
verify pan: tax card verification
what if there is a tie: equal points | draw
why verify: reason for verification
winnings: prize money
withdraw cash bonus: cash out the bonus
withdrawal intro: how to withdraw money
withdrawal status: where is my withdrawal
withdrawal time: how long a withdrawal takes
wrong scores: incorrect points
100 night trial offer: trial period | try at home
about sof mattress: product information | about the company
cash on delivery: pay when delivered
check pincode: delivery to my postcode | service area
comparison: compare products | difference between models
delay in delivery: late delivery | order has not arrived
distributors: dealers | where to buy | shops
ergo features: ergonomic mattress features
instalment plan (EMI): pay in instalments | monthly payments
lead generation: interested buyer | wants to be contacted
mattress cost: price | how much it costs
offers: discounts | deals | promotions
order status: track order | where is my order
ortho features: orthopaedic mattress features
pillows: pillow | cushions
product variants: models available | product types
return exchange: return or exchange a product | replacement
size customization: custom size | made to measure
warranty: guarantee | warranty period
what size to order: choosing a size | which size fits
accessibility: wheelchair access | facilities for disabled guests
acknowledge: acknowledgement | okay | understood
affirm: yes | agreement | confirmation
booking: reservation | book a room
cancel, close, leave or freeze: cancel | close something | leave
change: modify | alter | update something
check in: arrival at the hotel | checking in
check out: leaving the hotel | departure
deny: no | denial | refusal
don't know: not sure | does not know
end call: goodbye | hang up
existing: existing one | already there
greet: greeting | hello
gym: fitness room | exercise
hand over to a human: human agent | speak to a person
housekeeping: room cleaning | towels and sheets
how: how to | asking for a way
how long: duration | length of time
how much: amount | price or quantity
less, lower or before: less | reduce | earlier
limits: restriction | maximum
lost or stolen: lost | stolen | missing item
make, open, apply, set up, get or activate: set up something | apply for something | get something
more, higher or after: more | increase | later
new: new one | newly
parking: car park | parking space
pets: animals | dogs and cats allowed
refund: money back | reimbursement
repeat: say it again | repeat that
request information: question | asking for information
restaurant: dining | eating place
room amenities: things in the room | room equipment
room service: food to the room
spa: massage | wellness
swimming pool: pool | swimming
thank: thanks | gratitude
when: time | asking about a date
why: reason | asking for the cause
wifi: internet | wireless connection
wrong, not working or not showing: problem | broken | error
accept reservations: does a restaurant take bookings
account blocked: blocked bank account | locked out of account
alarm: set an alarm | wake-up alarm
application status: status of an application
apr: annual percentage rate | credit card interest
are you a bot: human or robot | talking to a machine
balance: account balance | money in the bank
bill balance: amount owed on a bill
bill due: due date of a bill
book flight: flight booking | buy a plane ticket
book hotel: hotel reservation | book a room
calculator: arithmetic | do the maths
calendar: events on my calendar | schedule of the day
calendar update: add an event to the calendar
calories: calorie content | energy in food
cancel: stop that | never mind
cancel reservation: cancel a booking
car rental: rent a car | hire a vehicle
card declined: card refused | payment card rejected
carry on: hand luggage | cabin bag rules
change accent: different voice | other accent
change ai name: rename the assistant
change language: switch language
change speed: speak faster or slower
change user name: call me by another name
change volume: louder or quieter | sound volume
confirm reservation: confirm a booking
cook time: how long to cook
credit limit: limit of a credit card
credit limit change: raise the credit limit
credit score: credit rating
current location: where am I | my position
damaged card: broken bank card
date: what day is it | today's date
definition: meaning of a word | what does it mean
direct deposit: salary paid into the account
directions: how to get there | route
distance: how far is it
do you have pets: question about the assistant's pets
exchange rate: currency conversion | value of a currency
expiration date: when a card expires
find phone: lost my phone | locate phone
flight status: is the flight on time | flight delay
flip coin: heads or tails | toss a coin
food last: how long food keeps | shelf life
freeze account: lock bank account | block account
fun fact: trivia | interesting fact
gas: fuel level | petrol in the tank
gas type: kind of fuel for the car
goodbye: farewell | see you later
greeting: hello | good morning
how busy: crowded restaurant | waiting time
how old are you: age of the assistant
improve credit score: better credit rating
income: salary | how much I earn
ingredient substitution: replace an ingredient
ingredients list: what goes into a dish
insurance: insurance benefits | coverage
insurance change: switch insurance plan
interest rate: rate of interest | interest on savings
international fees: fee for foreign transactions
international visa: travel visa | entry permit
jump start: start a car with a dead battery
last maintenance: previous car service
lost luggage: missing suitcase | airline lost bags
make call: phone someone | dial a number
maybe: unsure | possibly
meal suggestion: what to eat | dinner idea
meaning of life: philosophy | purpose of life
measurement conversion: convert units
meeting schedule: when are my meetings
min payment: minimum payment
mpg: fuel consumption of the car
new card: apply for a credit card
next holiday: upcoming public holiday
next song: skip the track
no: negative answer | denial
nutrition info: nutrients in food | is it healthy
oil change how: how to change engine oil
oil change when: when to change engine oil
order: buy something | shopping
order checks: order a chequebook
pay bill: bill payment | pay an invoice
payday: when do I get paid
pin change: new PIN | change the card's PIN
plug type: electric socket abroad | adapter
pto balance: vacation days left | remaining leave
pto request: ask for vacation | request time off
pto request status: was my leave approved
pto used: vacation days taken
recipe: how to cook a dish | cooking instructions
redeem rewards: use reward points
reminder: what did I need to remember | my reminders
reminder update: set a reminder | remind me
replacement card duration: how long until a new card comes
report fraud: fraudulent charge | suspicious transaction
report lost card: lost or stolen bank card
reset settings: factory reset
restaurant reservation: book a table | table for dinner
restaurant reviews: is the restaurant good | dining reviews
restaurant suggestion: recommend a restaurant | where to eat
rewards balance: how many points I have
roll dice: throw dice | random number
rollover 401k: retirement savings transfer
routing: bank routing number
schedule maintenance: book a car service
schedule meeting: set up a meeting | arrange a meeting
share location: send my position to someone
shopping list: what is on the shopping list
shopping list update: add to the shopping list
smart home: lights and thermostat | home automation
spelling: how is it spelled
spending history: how much did I spend
sync device: connect a phone | pair a device
taxes: tax return | income tax
tell joke: joke | make me laugh
text: send a message | SMS
thank you: thanks | gratitude
time: what time is it | clock
timer: countdown | set a timer
timezone: time zone | time in another place
tire change: change a flat tyre
tire pressure: air in the tyres
todo list: tasks to do | to-do items
todo list update: add a task
traffic: traffic jam | road conditions
transactions: recent bank transactions | purchases on the card
transfer: send money | bank transfer
translate: translation | how to say it in another language
travel alert: is it safe to travel there
travel notification: tell the bank about a trip
travel suggestion: what to see on a trip | sights
uber: ride | taxi
update playlist: add a song to the playlist
user name: what do you call me
vaccines: vaccinations for travel | shots
w2: wage tax form
weather: weather forecast | rain or sun
what are your hobbies: the assistant's hobbies
what can i ask you: what the assistant can do
what is your name: the assistant's name
what song: which song is playing
where are you from: the assistant's origin
whisper mode: speak quietly
who do you work for: the assistant's employer
who made you: the assistant's maker
yes: affirmative answer | agreement
"""


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """label -> its other names; labels without an entry have none."""
    table = {}
    for line in _TABLE.strip().splitlines():
        label, _, names = line.partition(": ")
        table[label] = tuple(name.strip() for name in names.split(" | "))
    return table
